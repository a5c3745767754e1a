import preset from '../../jest.preset.mjs';

export default { ...preset, displayName: 'nat', rootDir: import.meta.dirname };
