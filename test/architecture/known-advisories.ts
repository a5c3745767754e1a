/** A published advisory that concerns a package which this workspace installs, or installed before an override. */
export interface Advisory {
  readonly name: string;
  readonly id: string;
  readonly severity: 'critical' | 'high' | 'moderate';
  /** Affected versions: from the first, inclusive, up to the fix, exclusive; without a fix, all later ones. */
  readonly affected: readonly { readonly from: string; readonly fixedIn?: string }[];
}

const upTo = (fixedIn: string): Advisory['affected'] => [{ from: '0.0.0', fixedIn }];

/**
 * Checked by version, since `npm audit` needs a service that not every registry offers. Packages that came with
 * `stun`, then those on the network path of the supernode and the edge client.
 */
export const ADVISORIES: readonly Advisory[] = [
  { name: 'ip', id: 'CVE-2024-29415', severity: 'high', affected: [{ from: '0.0.0' }] },
  {
    name: 'ip',
    id: 'CVE-2023-42282',
    severity: 'critical',
    affected: [
      { from: '0.0.0', fixedIn: '1.1.9' },
      { from: '2.0.0', fixedIn: '2.0.1' },
    ],
  },
  { name: 'parse-url', id: 'CVE-2022-2900', severity: 'critical', affected: upTo('8.1.0') },
  { name: 'parse-url', id: 'CVE-2022-3224', severity: 'moderate', affected: upTo('8.1.0') },
  { name: 'parse-url', id: 'CVE-2022-2216', severity: 'critical', affected: upTo('6.0.1') },
  { name: 'parse-url', id: 'CVE-2022-0722', severity: 'high', affected: upTo('6.0.1') },
  { name: 'parse-path', id: 'CVE-2022-0624', severity: 'high', affected: upTo('5.0.0') },
  {
    name: 'normalize-url',
    id: 'CVE-2021-33502',
    severity: 'high',
    affected: [
      { from: '4.3.0', fixedIn: '4.5.1' },
      { from: '5.0.0', fixedIn: '5.3.1' },
      { from: '6.0.0', fixedIn: '6.0.1' },
    ],
  },
  { name: 'decode-uri-component', id: 'CVE-2022-38900', severity: 'high', affected: upTo('0.2.1') },
  {
    name: 'trim-newlines',
    id: 'CVE-2021-33623',
    severity: 'high',
    affected: [
      { from: '0.0.0', fixedIn: '3.0.1' },
      { from: '4.0.0', fixedIn: '4.0.1' },
    ],
  },
  {
    name: 'yargs-parser',
    id: 'CVE-2020-7608',
    severity: 'moderate',
    affected: [
      { from: '6.0.0', fixedIn: '13.1.2' },
      { from: '14.0.0', fixedIn: '15.0.1' },
      { from: '16.0.0', fixedIn: '18.1.1' },
    ],
  },
  {
    name: 'hosted-git-info',
    id: 'CVE-2021-23362',
    severity: 'moderate',
    affected: [
      { from: '0.0.0', fixedIn: '2.8.9' },
      { from: '3.0.0', fixedIn: '3.0.8' },
    ],
  },
  {
    name: 'semver',
    id: 'CVE-2022-25883',
    severity: 'high',
    affected: [
      { from: '0.0.0', fixedIn: '5.7.2' },
      { from: '6.0.0', fixedIn: '6.3.1' },
      { from: '7.0.0', fixedIn: '7.5.2' },
    ],
  },
  { name: 'path-parse', id: 'CVE-2021-23343', severity: 'moderate', affected: upTo('1.0.7') },
  { name: 'minimist', id: 'CVE-2021-44906', severity: 'critical', affected: upTo('1.2.6') },
  {
    name: 'kind-of',
    id: 'CVE-2019-20149',
    severity: 'high',
    affected: [{ from: '6.0.0', fixedIn: '6.0.3' }],
  },
  {
    name: 'debug',
    id: 'CVE-2025-59144',
    severity: 'critical',
    affected: [{ from: '4.4.2', fixedIn: '4.4.3' }],
  },
  { name: 'qs', id: 'CVE-2022-24999', severity: 'high', affected: upTo('6.10.3') },
  { name: 'ws', id: 'CVE-2024-37890', severity: 'high', affected: [{ from: '8.0.0', fixedIn: '8.17.1' }] },
  { name: 'socket.io', id: 'CVE-2024-38355', severity: 'high', affected: upTo('4.6.2') },
  {
    name: 'socket.io-parser',
    id: 'CVE-2023-32695',
    severity: 'high',
    affected: [{ from: '4.0.4', fixedIn: '4.2.3' }],
  },
  {
    name: 'engine.io',
    id: 'CVE-2023-31125',
    severity: 'moderate',
    affected: [{ from: '5.1.0', fixedIn: '6.4.2' }],
  },
  { name: 'xmlhttprequest-ssl', id: 'CVE-2021-31597', severity: 'critical', affected: upTo('1.6.1') },
  { name: 'body-parser', id: 'CVE-2024-45590', severity: 'high', affected: upTo('1.20.3') },
  { name: 'multer', id: 'CVE-2025-7338', severity: 'high', affected: upTo('2.0.2') },
  { name: 'lodash', id: 'CVE-2021-23337', severity: 'high', affected: upTo('4.17.21') },
  { name: 'mysql2', id: 'CVE-2024-21508', severity: 'critical', affected: upTo('3.9.4') },
  { name: 'jose', id: 'CVE-2024-28176', severity: 'moderate', affected: upTo('4.15.5') },
];

/** Whether `version` (three numbers, perhaps with a pre-release) is affected. */
export function isAffected({ affected }: Advisory, version: string): boolean {
  return affected.some(
    ({ from, fixedIn }) => !isBefore(version, from) && (fixedIn === undefined || isBefore(version, fixedIn)),
  );
}

function isBefore(left: string, right: string): boolean {
  const [leftNumbers, rightNumbers] = [left, right].map((version) => version.split(/[.-]/, 3).map(Number));
  const difference = [0, 1, 2].map((index) => (leftNumbers?.[index] ?? 0) - (rightNumbers?.[index] ?? 0));
  return (difference.find((step) => step !== 0) ?? 0) < 0;
}
