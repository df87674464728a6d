// Bytes as text, ids, and damage.

import { randomBytes } from 'node:crypto';

/** Base64 of the standard alphabet, with padding. */
export const toBase64 = (bytes) => Buffer.from(bytes).toString('base64');

/** The bytes of base64, in an array of their own, as libsignal wants them. */
export const fromBase64 = (text) => new Uint8Array(Buffer.from(text, 'base64'));

/** A UUID of version 7: milliseconds, then randomness. */
export function newId() {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** The bytes with one bit changed, in what authenticates them. */
export function damageBytes(bytes) {
  const damaged = new Uint8Array(bytes);
  damaged[damaged.length - 1] ^= 1;
  return damaged;
}
