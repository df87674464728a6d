// Inside the ciphertext: JSON and its padding.

const BLOCK = 160;
const PAYLOAD_VERSION = 1;

/** Adds a 0x80 byte, then zeros up to a multiple of the block. */
export function pad(plaintext) {
  const padded = new Uint8Array(Math.ceil((plaintext.length + 1) / BLOCK) * BLOCK);
  padded.set(plaintext);
  padded[plaintext.length] = 0x80;
  return padded;
}

/** Takes the padding off; throws where it is not exactly what `pad` adds. */
export function unpad(padded) {
  const end = padded.findLastIndex((byte) => byte !== 0);
  if (padded[end] !== 0x80 || padded.length !== Math.ceil((end + 1) / BLOCK) * BLOCK) {
    throw new Error('the padding is broken');
  }
  return padded.subarray(0, end);
}

/** A text message, not padded. */
export function encodeText(frame, sender, text) {
  const { id, receiver } = frame;
  const sentAt = new Date().toISOString();
  return Buffer.from(JSON.stringify({ v: PAYLOAD_VERSION, id, sender, receiver, sentAt, body: { text } }));
}

/** The text in a decrypted payload, which must have been written for this frame and this receiver. */
export function decodeText(padded, frame, receiver) {
  const payload = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(unpad(padded)));
  if (payload.v !== PAYLOAD_VERSION) {
    throw new Error(`version ${payload.v} is not known`);
  }
  for (const [member, value] of Object.entries({ id: frame.id, sender: frame.sender, receiver })) {
    if (payload[member] !== value) {
      throw new Error(`the ${member} is not that of the frame`);
    }
  }
  return payload.body.text;
}
