/** Commands of a client process by which two users become contacts. `clientOf` gives the client once there is one. */
export function acquaintance(clientOf) {
  const contactIs = (userId, state) =>
    new Promise((resolve) => {
      const { contacts } = clientOf();
      const look = () => {
        if (contacts.get(userId)?.state !== state) return;
        off();
        resolve(null);
      };
      const off = contacts.on('change', look);
      look();
    });
  return {
    async request({ userId }) {
      await clientOf().contacts.request(userId);
      return null;
    },
    async accept({ userId }) {
      await contactIs(userId, 'pending-in');
      await clientOf().contacts.accept(userId);
      return null;
    },
    known: ({ userId }) => contactIs(userId, 'accepted'),
  };
}
