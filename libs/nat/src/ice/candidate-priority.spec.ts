import {
  candidatePriority,
  isMappedPriority,
  localPreferenceOf,
  MAPPED_PRIORITY,
  pairPriority,
  peerReflexivePriority,
} from './candidate-priority.ts';

describe('candidate priority (RFC 8445 section 5.1.2.1)', () => {
  it.each([
    // The values of the example in RFC 8839 section 4.2.1 and of RFC 8445 section 15.
    ['host', 65_535, 2_130_706_431],
    ['serverReflexive', 65_535, 1_694_498_815],
    ['peerReflexive', 65_535, 1_862_270_975],
    ['relayed', 65_535, 16_777_215],
    ['host', 0, 2_113_929_471],
  ] as const)('%s with local preference %d: %d', (kind, localPreference, expected) => {
    expect(candidatePriority(kind, localPreference)).toBe(expected);
    expect(localPreferenceOf(expected)).toBe(localPreference);
  });

  it('PRIORITY of a check keeps the local preference of the base (section 7.1.1)', () => {
    expect(peerReflexivePriority(candidatePriority('host', 4711))).toBe(
      candidatePriority('peerReflexive', 4711),
    );
  });
});

describe("a gateway's port (RFC 6544 section 4.2)", () => {
  it('comes before what a server saw and after what a peer saw, and can be told from both', () => {
    const [seenByServer, seenByPeer] = [
      candidatePriority('serverReflexive', 65_535),
      candidatePriority('peerReflexive', 0),
    ];
    expect(MAPPED_PRIORITY).toBeGreaterThan(seenByServer);
    expect(MAPPED_PRIORITY).toBeLessThan(seenByPeer);
    expect([MAPPED_PRIORITY, seenByServer, seenByPeer].map(isMappedPriority)).toEqual([true, false, false]);
  });
});

describe('pair priority (RFC 8445 section 6.1.2.3)', () => {
  it.each([
    // 2^32 * min(G, D) + 2 * max(G, D) + (G > D ? 1 : 0)
    [1, 1, 4_294_967_298n],
    [2, 1, 4_294_967_301n],
    [1, 2, 4_294_967_300n],
    [2_130_706_431, 2_130_706_431, 9_151_314_442_783_293_438n],
    [2_130_706_431, 1_694_498_815, 7_277_816_997_797_167_103n],
    [1_694_498_815, 2_130_706_431, 7_277_816_997_797_167_102n],
    [2_147_483_647, 2_147_483_647, 9_223_372_036_854_775_806n],
  ] as const)('G %d, D %d: %d', (controlling, controlled, expected) => {
    expect(pairPriority(controlling, controlled)).toBe(expected);
  });
});
