import koffi from 'koffi';

/**
 * Empties the connection table of the network namespace in which it runs, as a router that lost its power does. The kernel takes
 * that order over a netlink socket only, which Node has not. Numbers are those of linux/netlink.h and linux/netfilter.
 */
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_NETFILTER = 12;
const DELETE_CONNECTIONS = (1 << 8) | 2; // subsystem conntrack, IPCTNL_MSG_CT_DELETE; without a filter it means all
const REQUEST_WITH_ACKNOWLEDGEMENT = 1 | 4;
const MESSAGE_BYTES = 20;
const ANSWER_BYTES = 256;
const ANSWER_ERROR_AT = 16;

const library = koffi.load(null); // the C library that Node itself uses
const find = (prototype: string) => library.func(prototype) as (...parameters: unknown[]) => number;
const openSocket = find('int socket(int family, int type, int protocol)');
const send = find('intptr_t send(int fd, void *bytes, uintptr_t length, int flags)');
const receive = find('intptr_t recv(int fd, void *room, uintptr_t length, int flags)');

const message = Buffer.alloc(MESSAGE_BYTES);
message.writeUInt32LE(MESSAGE_BYTES, 0);
message.writeUInt16LE(DELETE_CONNECTIONS, 4);
message.writeUInt16LE(REQUEST_WITH_ACKNOWLEDGEMENT, 6);

const answer = Buffer.alloc(ANSWER_BYTES);
const descriptor = openSocket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
const isSent = descriptor >= 0 && send(descriptor, message, message.length, 0) === message.length;
const isAnswered = isSent && receive(descriptor, answer, answer.length, 0) > ANSWER_ERROR_AT;
const error = isAnswered ? -answer.readInt32LE(ANSWER_ERROR_AT) : koffi.errno();
if (error !== 0) {
  process.stderr.write(`the connection table could not be emptied: errno ${error}\n`);
  process.exit(1);
}
