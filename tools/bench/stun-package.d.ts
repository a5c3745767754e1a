/** The part of the untyped `stun` package that the benchmark measures. */
declare module 'stun' {
  interface Message {
    readonly transactionId: Buffer;
    addXorAddress(address: string, port: number): void;
    toBuffer(): Buffer;
  }

  const stun: {
    decode(bytes: Buffer): Message;
    createMessage(type: number, transactionId?: Buffer): Message;
    readonly constants: { readonly STUN_BINDING_REQUEST: number; readonly STUN_BINDING_RESPONSE: number };
  };
  export default stun;
}
