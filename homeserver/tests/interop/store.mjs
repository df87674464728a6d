// What a client keeps: rows of bytes, changed together or not at all, and libsignal's stores over them.

import {
  IdentityChange,
  IdentityKeyStore,
  KyberPreKeyRecord,
  KyberPreKeyStore,
  PreKeyRecord,
  PreKeyStore,
  PublicKey,
  SessionRecord,
  SessionStore,
  SignedPreKeyRecord,
  SignedPreKeyStore,
} from '@signalapp/libsignal-client';

/** The rows, in memory. */
export class Store {
  #rows = new Map();
  #turn = Promise.resolve();

  get(key) {
    return this.#rows.get(key);
  }

  put(key, value) {
    this.#rows.set(key, value);
  }

  delete(key) {
    this.#rows.delete(key);
  }

  /** One commit, one at a time: if the work fails, nothing has changed. */
  atomically(work) {
    const result = this.#turn.then(async () => {
      const before = new Map(this.#rows);
      try {
        return await work();
      } catch (error) {
        this.#rows = before;
        throw error;
      }
    });
    this.#turn = result.catch(() => {});
    return result;
  }
}

/** libsignal's stores over the rows, for the owner of these keys. */
export class SignalStores {
  constructor(store, identity, registrationId) {
    this.sessions = new Sessions(store);
    this.identities = new Identities(store, identity, registrationId);
    this.preKeys = new PreKeys(store);
    this.signedPreKeys = new SignedPreKeys(store);
    this.kyberPreKeys = new KyberPreKeys(store);
  }
}

class Sessions extends SessionStore {
  constructor(store) {
    super();
    this.store = store;
  }

  async saveSession(address, record) {
    this.store.put(`session ${address}`, record.serialize());
  }

  async getSession(address) {
    return read(this.store, `session ${address}`, SessionRecord);
  }
}

/** Trusts the first identity key of an account, and no other: nobody starts over in these tests. */
class Identities extends IdentityKeyStore {
  constructor(store, identity, registrationId) {
    super();
    Object.assign(this, { store, identity, registrationId });
  }

  async getIdentityKey() {
    return this.identity.privateKey;
  }

  async getLocalRegistrationId() {
    return this.registrationId;
  }

  async saveIdentity(address, key) {
    this.store.put(`identity ${address.name()}`, key.serialize());
    return IdentityChange.NewOrUnchanged;
  }

  async isTrustedIdentity(address, key) {
    return (await this.getIdentity(address))?.equals(key) ?? true;
  }

  async getIdentity(address) {
    return read(this.store, `identity ${address.name()}`, PublicKey);
  }
}

class PreKeys extends PreKeyStore {
  constructor(store) {
    super();
    this.store = store;
  }

  async savePreKey(id, record) {
    this.store.put(`preKey ${id}`, record.serialize());
  }

  async getPreKey(id) {
    return readOwn(this.store, `preKey ${id}`, PreKeyRecord);
  }

  async removePreKey(id) {
    this.store.delete(`preKey ${id}`);
  }
}

class SignedPreKeys extends SignedPreKeyStore {
  constructor(store) {
    super();
    this.store = store;
  }

  async saveSignedPreKey(id, record) {
    this.store.put(`signedPreKey ${id}`, record.serialize());
  }

  async getSignedPreKey(id) {
    return readOwn(this.store, `signedPreKey ${id}`, SignedPreKeyRecord);
  }
}

/** One-time keys go when they are used; the last-resort one stays, and takes each base key once. */
class KyberPreKeys extends KyberPreKeyStore {
  constructor(store) {
    super();
    this.store = store;
  }

  async saveKyberPreKey(id, record) {
    this.store.put(`kyberPreKey ${id}`, record.serialize());
  }

  async getKyberPreKey(id) {
    return readOwn(this.store, `kyberPreKey ${id}`, KyberPreKeyRecord);
  }

  async markKyberPreKeyUsed(id, signedPreKeyId, baseKey) {
    if (this.store.get('lastResort') !== id) {
      this.store.delete(`kyberPreKey ${id}`);
      return;
    }
    const use = `used ${id} ${signedPreKeyId} ${Buffer.from(baseKey.serialize()).toString('hex')}`;
    if (this.store.get(use)) {
      throw new Error('this first message has been read before');
    }
    this.store.put(use, true);
  }
}

function read(store, key, type) {
  const bytes = store.get(key);
  return bytes ? type.deserialize(bytes) : null;
}

function readOwn(store, key, type) {
  const record = read(store, key, type);
  if (!record) {
    throw new Error(`there is no ${key}`);
  }
  return record;
}
