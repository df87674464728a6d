// A device's own keys: making them, what of them is published, and the digest by which they are compared.

import { createHash, randomInt } from 'node:crypto';

import {
  IdentityKeyPair,
  KEMKeyPair,
  KyberPreKeyRecord,
  PreKeyRecord,
  PrivateKey,
  SignedPreKeyRecord,
} from '@signalapp/libsignal-client';

import { fromBase64, toBase64 } from './bytes.mjs';
import { SignalStores } from './store.mjs';

const REGISTRATION_ID_MAX = 16380;

export class Keys {
  identity = IdentityKeyPair.generate();
  registrationId = randomInt(1, REGISTRATION_ID_MAX + 1);
  /** Ids only rise; one counter will do for every kind. */
  #nextId = 1;
  #published;

  constructor(store) {
    this.store = store;
    this.stores = new SignalStores(store, this.identity, this.registrationId);
  }

  /** A first upload, with so many one-time keys of each kind. */
  async upload(oneTimeKeys) {
    const signedPreKey = await this.#newSigned();
    const pqLastResortPreKey = await this.#newKyber();
    this.store.put('lastResort', pqLastResortPreKey.keyId);
    const [preKeys, pqPreKeys] = [[], []];
    for (let i = 0; i < oneTimeKeys; i += 1) {
      preKeys.push(await this.#newPreKey());
      pqPreKeys.push(await this.#newKyber());
    }
    this.#published = { signedPreKey, pqLastResortPreKey };
    const { registrationId } = this;
    return { identityKey: this.identityKey, registrationId, signedPreKey, preKeys, pqLastResortPreKey, pqPreKeys };
  }

  /** The public identity key, as it is published. */
  get identityKey() {
    return toBase64(this.identity.publicKey.serialize());
  }

  /** What the homeserver must answer as `digest`. */
  digest() {
    const number = (value) => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(value);
      return bytes;
    };
    const hash = createHash('sha256').update(this.identity.publicKey.serialize()).update(number(this.registrationId));
    for (const { keyId, publicKey } of [this.#published.signedPreKey, this.#published.pqLastResortPreKey]) {
      hash.update(number(keyId)).update(fromBase64(publicKey));
    }
    return hash.digest('base64');
  }

  async #newPreKey() {
    const [keyId, pair] = [this.#takeId(), PrivateKey.generate()];
    await this.stores.preKeys.savePreKey(keyId, PreKeyRecord.new(keyId, pair.getPublicKey(), pair));
    return { keyId, publicKey: toBase64(pair.getPublicKey().serialize()) };
  }

  async #newSigned() {
    const [keyId, pair] = [this.#takeId(), PrivateKey.generate()];
    const publicKey = pair.getPublicKey();
    const signature = this.identity.privateKey.sign(publicKey.serialize());
    const record = SignedPreKeyRecord.new(keyId, Date.now(), publicKey, pair, signature);
    await this.stores.signedPreKeys.saveSignedPreKey(keyId, record);
    return { keyId, publicKey: toBase64(publicKey.serialize()), signature: toBase64(signature) };
  }

  async #newKyber() {
    const [keyId, pair] = [this.#takeId(), KEMKeyPair.generate()];
    const publicKey = pair.getPublicKey().serialize();
    const signature = this.identity.privateKey.sign(publicKey);
    await this.stores.kyberPreKeys.saveKyberPreKey(keyId, KyberPreKeyRecord.new(keyId, Date.now(), pair, signature));
    return { keyId, publicKey: toBase64(publicKey), signature: toBase64(signature) };
  }

  #takeId() {
    this.#nextId += 1;
    return this.#nextId - 1;
  }
}
