import preset from '../jest.preset.mjs';

export default {
  ...preset,
  displayName: 'test',
  rootDir: import.meta.dirname,
  testMatch: ['<rootDir>/**/*.spec.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
};
