/** The whole suite in one run, so that one set of totals speaks for all projects. */
export default {
  projects: ['libs/*', 'apps/*', 'test', 'tools'],
  // Sockets, processes and databases on a small machine that does other things too; jest takes this one from the root only.
  testTimeout: 30_000,
};
