/** Every size, count, rate and time that the wire fixes, in one place. Sizes in bytes, times in milliseconds. */
export const LIMITS = {
  /** One socket.io message, either way. */
  maxMessageBytes: 128 * 1024,
  maxHandleLength: 32,
  minHandleLength: 3,
  maxDisplayNameLength: 64,
  maxDeviceNameLength: 64,
  maxStatusTextLength: 140,
  maxUserIdLength: 128,
  maxTenantIdLength: 64,
  maxTokenBytes: 4096,
  maxEdgeUrlLength: 256,
  maxAlternates: 8,
  /** Supernodes in the signed list of a user's homes. */
  maxHomes: 3,
  /** Keys of the cluster that sign such lists: more than one while they are rotated. */
  maxRosterKeys: 4,
  maxDevicesPerUser: 16,
  maxContactsPerUser: 1000,
  maxPendingContactRequests: 100,
  maxSubscriptionsPerRequest: 200,
  maxSubscriptionsPerDevice: 1000,
  /** Versions of one device list that a single answer carries; the client asks again from the last one. */
  maxDeviceListsPerAnswer: 32,
  maxSignedPayloadBytes: 16 * 1024,
  maxCandidates: 32,
  /** Of one device: one per address family today. */
  maxObservedAddresses: 4,
  maxFlightPackets: 8,
  maxFlightPacketBytes: 1200,
  maxOpenOffersPerDevice: 32,
  maxAnsweredSessionsPerDevice: 256,
  maxOfferLifetimeMs: 120_000,
  /** How old a signed offer or answer may be when it arrives, and so how far back replay windows reach. */
  replayWindowMs: 180_000,
  maxCallRecordsPerAnswer: 50,
  /** Older ones leave a user's history. */
  maxCallRecordsPerUser: 1000,
  /** A call whose end was never learned counts as ended this long after it began. */
  callRecordOpenMs: 24 * 3600_000,
  /** How long an answered call waits for a party whose device is gone. */
  deadCallLegMs: 60_000,
  /** How long a call rings on without the connection of its caller. */
  ringingCallerGraceMs: 5_000,
  minSearchPrefixLength: 3,
  maxSearchResults: 50,
  maxResourceKeyLength: 256,
  maxResourceAttributesBytes: 1024,
  maxResourcesPerDevice: 256,
  maxResourceTtlMs: 24 * 3600_000,
  minResourceTtlMs: 1000,
  maxResourceHolders: 50,
  maxMessageTextLength: 4000,
  maxReceiptsPerMessage: 64,
  /** One sealed copy of a message: the longest text in any script, signed and sealed. */
  maxSealedBytes: 24 * 1024,
  /** Copies per request; a client sends the copies of a message in several requests where they are too large for one. */
  maxCopiesPerRequest: 32,
  /** Messages in one `message.send-batch`. */
  maxMessagesPerRequest: 64,
  maxMailboxItems: 50,
  maxMailboxItemsPerDevice: 10_000,
  maxMailboxBytesPerDevice: 32 * 1024 * 1024,
  /** Copies that one sender may have in the mailboxes of a user who is no contact. */
  maxRequestsPerSender: 20,
  mailboxRetentionMs: 30 * 24 * 3600_000,
  challengeLifetimeMs: 30_000,
  puzzleLifetimeMs: 120_000,
  maxPuzzleDifficultyBits: 28,
  linkLifetimeMs: 600_000,
  resumeWindowMs: 120_000,
  /** Events kept for a device that may resume; beyond it the reply says `recovered: false`. */
  maxResumeEvents: 512,
  /** All other requests of one connection together, per second, with a burst of the same size times `requestBurstFactor`. */
  requestsPerSecond: 50,
  /**
   * `message.send`, each message of `message.send-batch`, `mailbox.read` and `mailbox.acknowledge` of one connection
   * together, with the same factor. Operators may set another rate, but none below that of the other requests.
   */
  messageRequestsPerSecond: 200,
  requestBurstFactor: 4,
  /** The same delay for every refusal that must not tell absent, blocked, invisible and offline apart. */
  unavailablePaddingMs: 750,
} as const;
