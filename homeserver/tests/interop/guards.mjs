// What is checked of a ciphertext before it is decrypted, and of every key before it is used.

import assert from 'node:assert/strict';

import { PreKeySignalMessage, SignalMessage } from '@signalapp/libsignal-client';

/** PQXDH, with the post-quantum ratchet. */
const MESSAGE_VERSION = 4;

/** The version of the post-quantum ratchet's own messages. */
const SPQR_VERSION = 1;

const EC_TYPE = 0x05;
const KYBER_1024_TYPE = 0x08;
const PRIME = 2n ** 255n - 19n;

/** The fields of wire.proto in libsignal. */
const RATCHET_KEY = 1;
const BASE_KEY = 2;
const IDENTITY_KEY = 3;
const INNER_MESSAGE = 4;
const KYBER_CIPHERTEXT = 8;

/** Refuses what is no EC public key in its one canonical form. Points of small order are refused by the library. */
export function requireEcKey(bytes) {
  assert(bytes?.length === 33 && bytes[0] === EC_TYPE, 'an EC key has the wrong length or type');
  const number = bytes.slice(1).reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n);
  assert(number < PRIME, 'an EC key is not canonical');
}

/** Refuses what is no Kyber-1024 public key. */
export function requireKyberKey(bytes) {
  assert(bytes.length === 1569 && bytes[0] === KYBER_1024_TYPE, 'a Kyber key has the wrong length or type');
}

/** Checks a ciphertext; the epoch of its post-quantum ratchet. */
export function checkCiphertext(kind, bytes) {
  if (kind === 'message') {
    return checkMessage(bytes);
  }
  const message = PreKeySignalMessage.deserialize(bytes);
  assert(message.version() === MESSAGE_VERSION, 'a pre-key message is not of version 4');
  const fields = readFields(bytes.subarray(1));
  requireEcKey(fields.get(BASE_KEY));
  requireEcKey(fields.get(IDENTITY_KEY));
  assert(fields.get(KYBER_CIPHERTEXT)?.length > 0, 'a pre-key message is without Kyber');
  return checkMessage(fields.get(INNER_MESSAGE));
}

function checkMessage(bytes) {
  const message = SignalMessage.deserialize(bytes);
  assert(message.messageVersion() === MESSAGE_VERSION, 'a message is not of version 4');
  // Before the protobuf is the version, behind it the MAC.
  requireEcKey(readFields(bytes.subarray(1, -8)).get(RATCHET_KEY));
  return spqrEpoch(message.pqRatchet());
}

/** Checks the framing of a message's post-quantum part: version, epoch, index, and at least one byte. */
function spqrEpoch(field) {
  assert(field[0] === SPQR_VERSION, 'a message is without the post-quantum ratchet');
  const epoch = varint(field, 1);
  const index = varint(field, epoch.end);
  const sound = epoch.value !== 0n && index.value < 2n ** 32n && index.end < field.length;
  assert(sound, 'the post-quantum part of a message is malformed');
  return Number(epoch.value);
}

/** The fields of a protobuf message that are bytes or numbers, by their number. */
function readFields(bytes) {
  const fields = new Map();
  for (let at = 0; at < bytes.length; ) {
    const tag = varint(bytes, at);
    const [field, type] = [Number(tag.value >> 3n), Number(tag.value & 7n)];
    const first = varint(bytes, tag.end);
    if (type === 0) {
      fields.set(field, first.value);
      at = first.end;
    } else {
      assert(type === 2, 'a field of an unknown kind');
      at = first.end + Number(first.value);
      assert(at <= bytes.length, 'a field is cut off');
      fields.set(field, bytes.subarray(first.end, at));
    }
  }
  return fields;
}

function varint(bytes, start) {
  let value = 0n;
  for (let at = start; at < bytes.length && at < start + 10; at += 1) {
    value |= BigInt(bytes[at] & 0x7f) << BigInt(7 * (at - start));
    if (bytes[at] < 0x80) {
      assert(value < 2n ** 64n, 'a number is too large');
      return { value, end: at + 1 };
    }
  }
  throw new Error('a number is cut off');
}
