import preset from '../../jest.preset.mjs';

export default { ...preset, displayName: 'edge-client', rootDir: import.meta.dirname };
