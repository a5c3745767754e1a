import preset from '../../jest.preset.mjs';

export default { ...preset, displayName: 'supernode', rootDir: import.meta.dirname };
