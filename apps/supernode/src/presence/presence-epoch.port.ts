/** Grows with every start of this supernode, so that its updates outrank those of its earlier life. */
export const PRESENCE_EPOCH = Symbol('PresenceEpoch');
