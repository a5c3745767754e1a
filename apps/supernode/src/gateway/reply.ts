/** A response with something to do once it has been sent. */
export class FollowedReply<Data> {
  constructor(
    readonly data: Data,
    readonly afterwards: () => void,
  ) {}
}
