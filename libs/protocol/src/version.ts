/** The wire protocol versions that this library speaks, newest first. A client states its own list in `challenge`. */
export const PROTOCOL_VERSIONS = [1] as const;

export type ProtocolVersion = (typeof PROTOCOL_VERSIONS)[number];

/** The newest version both sides speak, or undefined when there is none. */
export function negotiateVersion(offered: readonly number[]): ProtocolVersion | undefined {
  return PROTOCOL_VERSIONS.find((version) => offered.includes(version));
}
