/** Attributes of ICE (RFC 8445 section 16.1) and of renomination. */
import { AttributeType } from '../attribute-type.ts';
import { flagAttribute, uint32Attribute, uint64Attribute } from './number.ts';

/** The priority that a peer-reflexive candidate learnt from this check gets. */
export const Priority = uint32Attribute(AttributeType.PRIORITY);
export const UseCandidate = flagAttribute(AttributeType.USE_CANDIDATE);
/** The sender's tiebreaker; the sender believes that it is controlled. */
export const IceControlled = uint64Attribute(AttributeType.ICE_CONTROLLED);
/** The sender's tiebreaker; the sender believes that it is controlling. */
export const IceControlling = uint64Attribute(AttributeType.ICE_CONTROLLING);
/** draft-thatcher-ice-renomination: the nomination with the highest number wins. */
export const Nomination = uint32Attribute(AttributeType.NOMINATION);
