import { describe, expect, it } from '@jest/globals';
import { connectionIdKey, newConnectionId } from './connection-id.ts';
import { ConnectionTable } from './connection-table.ts';

const SHORT_HEADER = 0x40;

function packetFor(id: Uint8Array): Uint8Array {
  return Uint8Array.of(SHORT_HEADER, ...id, 1, 2, 3);
}

describe('ConnectionTable', () => {
  it('tells the packets of several sessions apart, in any order', () => {
    const table = new ConnectionTable();
    const [first, second] = [newConnectionId(), newConnectionId()];
    table.add(connectionIdKey(first), 'first');
    table.add(connectionIdKey(second), 'second');

    const owners = [first, first, second, first, second, second].map((id) => table.ownerOf(packetFor(id)));

    expect(owners).toEqual(['first', 'first', 'second', 'first', 'second', 'second']);
    expect(table.has(connectionIdKey(first))).toBe(true);
  });

  it('knows no owner of other ids and of what is no packet', () => {
    const table = new ConnectionTable();
    const known = newConnectionId();
    table.add(connectionIdKey(known), 'session');
    table.ownerOf(packetFor(known));

    expect(table.ownerOf(packetFor(newConnectionId()))).toBeUndefined();
    expect(table.ownerOf(Uint8Array.of(SHORT_HEADER))).toBeUndefined();
    expect(table.ownerOf(new Uint8Array(0))).toBeUndefined();
  });

  it('forgets an id that was deleted, also the one it saw last', () => {
    const table = new ConnectionTable();
    const id = newConnectionId();
    table.add(connectionIdKey(id), 'session');
    table.ownerOf(packetFor(id));

    table.delete(connectionIdKey(id));

    expect(table.ownerOf(packetFor(id))).toBeUndefined();
    expect(table.has(connectionIdKey(id))).toBe(false);
  });

  it('gives an id that is used again to its new owner', () => {
    const table = new ConnectionTable();
    const id = newConnectionId();
    table.add(connectionIdKey(id), 'before');
    table.ownerOf(packetFor(id));
    table.delete(connectionIdKey(id));

    table.add(connectionIdKey(id), 'after');

    expect(table.ownerOf(packetFor(id))).toBe('after');
  });
});
