/** The whole suite in one run, so that one set of totals speaks for all projects. */
export default {
  projects: ['libs/*', 'apps/*', 'test', 'tools'],
};
