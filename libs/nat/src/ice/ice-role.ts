/** RFC 8445 section 6.1.1: the controlling side nominates. */
export type IceRole = 'controlling' | 'controlled';

export function otherRole(role: IceRole): IceRole {
  return role === 'controlling' ? 'controlled' : 'controlling';
}

export interface RoleClaim {
  readonly role: IceRole;
  readonly tiebreaker: bigint;
}

/**
 * RFC 8445 section 7.3.1.1: what to do with a check whose sender claims `theirs`. `refuse` is an answer with 487: the
 * sender has to switch.
 */
export function resolveRoleConflict(ours: RoleClaim, theirs: RoleClaim): 'none' | 'switch' | 'refuse' {
  if (ours.role !== theirs.role) return 'none';
  const weWin = ours.tiebreaker >= theirs.tiebreaker;
  return (ours.role === 'controlling') === weWin ? 'refuse' : 'switch';
}
