// The Signal protocol by the official library: sessions from claimed keys, encrypting, decrypting.

import {
  CiphertextMessageType,
  KEMPublicKey,
  PreKeyBundle,
  PreKeySignalMessage,
  ProtocolAddress,
  PublicKey,
  SignalMessage,
  processPreKeyBundle,
  signalDecrypt,
  signalDecryptPreKey,
  signalEncrypt,
} from '@signalapp/libsignal-client';

import { fromBase64 } from './bytes.mjs';
import { checkCiphertext, requireEcKey, requireKyberKey } from './guards.mjs';

export class Signal {
  /** `own` is the account's address; its device is 1. */
  constructor(keys, own) {
    this.stores = keys.stores;
    this.own = ProtocolAddress.new(own, 1);
  }

  /** Builds a session with each device of a claimed bundle. */
  async learn(account, { identityKey, devices }) {
    const identity = ecKey(identityKey);
    for (const device of devices) {
      const address = ProtocolAddress.new(account, device.deviceId);
      const { sessions, identities } = this.stores;
      await processPreKeyBundle(preKeyBundle(identity, device), address, this.own, sessions, identities);
    }
  }

  /** Whether there is a session to encrypt with. */
  async knows(account) {
    const session = await this.stores.sessions.getSession(ProtocolAddress.new(account, 1));
    return session?.hasCurrentState() ?? false;
  }

  /** Stops using the session: the account has lost it. */
  async forget(account) {
    const address = ProtocolAddress.new(account, 1);
    const session = await this.stores.sessions.getSession(address);
    session.archiveCurrentState();
    await this.stores.sessions.saveSession(address, session);
  }

  /** Encrypts for the first device of an account. */
  async encrypt(account, plaintext) {
    const { sessions, identities } = this.stores;
    const address = ProtocolAddress.new(account, 1);
    const message = await signalEncrypt(plaintext, address, this.own, sessions, identities);
    const kind = message.type() === CiphertextMessageType.PreKey ? 'preKey' : 'message';
    const ciphertext = message.serialize();
    return { kind, ciphertext, epoch: checkCiphertext(kind, ciphertext) };
  }

  /** Decrypts what a device of an account sent. */
  async decrypt(account, device, kind, ciphertext) {
    const epoch = checkCiphertext(kind, ciphertext);
    const { sessions, identities, preKeys, signedPreKeys, kyberPreKeys } = this.stores;
    const address = ProtocolAddress.new(account, device);
    if (kind === 'message') {
      const message = SignalMessage.deserialize(ciphertext);
      return { epoch, plaintext: await signalDecrypt(message, address, this.own, sessions, identities) };
    }
    const message = PreKeySignalMessage.deserialize(ciphertext);
    const owned = [preKeys, signedPreKeys, kyberPreKeys];
    return { epoch, plaintext: await signalDecryptPreKey(message, address, this.own, sessions, identities, ...owned) };
  }
}

/** A device's part of a claimed bundle. The signatures are checked here as well as by whoever builds the session. */
function preKeyBundle(identity, { deviceId, registrationId, signedPreKey, preKey, pqPreKey }) {
  for (const { publicKey, signature } of [signedPreKey, pqPreKey]) {
    if (!identity.verify(fromBase64(publicKey), fromBase64(signature))) {
      throw new Error('a claimed key is not signed by its identity key');
    }
  }
  requireKyberKey(fromBase64(pqPreKey.publicKey));
  return PreKeyBundle.new(
    registrationId,
    deviceId,
    preKey?.keyId ?? null,
    preKey ? ecKey(preKey.publicKey) : null,
    signedPreKey.keyId,
    ecKey(signedPreKey.publicKey),
    fromBase64(signedPreKey.signature),
    identity,
    pqPreKey.keyId,
    KEMPublicKey.deserialize(fromBase64(pqPreKey.publicKey)),
    fromBase64(pqPreKey.signature),
  );
}

function ecKey(base64) {
  const key = fromBase64(base64);
  requireEcKey(key);
  return PublicKey.deserialize(key);
}
