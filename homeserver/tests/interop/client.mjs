// A client of Missive: an account with one device, which sends, receives, and says what it has got.

import { Account } from './account.mjs';
import { damageBytes, fromBase64, newId, toBase64 } from './bytes.mjs';
import { Connection } from './connection.mjs';
import { Keys } from './keys.mjs';
import { decodeText, encodeText, pad } from './payload.mjs';
import { Signal } from './signal.mjs';
import { Store } from './store.mjs';

/** What becomes of a message, rising. */
const STATES = [undefined, 'sent', 'undeliverable', 'received', 'read'];

export class Client {
  #store = new Store();
  #keys = new Keys(this.#store);
  #account;
  #signal;
  #connection;
  #damageNext = 0;

  /** `say` is given what happens. */
  constructor(say) {
    this.say = say;
  }

  /** Registers, and publishes keys, with so many one-time keys of each kind. */
  async register({ server, name, password, oneTimeKeys }) {
    this.#account = await Account.register(server, name, password);
    await this.#account.logIn(password);
    await this.#account.refresh();
    this.#signal = new Signal(this.#keys, this.#account.address);
    const upload = await this.#store.atomically(() => this.#keys.upload(oneTimeKeys));
    const left = await this.#account.request('POST', `/users/${name}/keys`, upload);
    this.say({ type: 'registered', address: this.#account.address, preKeys: left.preKeys, pqPreKeys: left.pqPreKeys });
  }

  /** Connects, after a look at whether the published keys are its own. */
  async connect({ asBrowser }) {
    const published = await this.#account.request('GET', `/users/${this.#account.name}/keys/count`);
    if (published.identityKey !== this.#keys.identityKey || published.digest !== this.#keys.digest()) {
      throw new Error('the published keys are not those of this device');
    }
    this.#connection = new Connection(this.#account.socket, asBrowser, (frame) => this.#take(frame));
  }

  /** Ends the connection. */
  async disconnect() {
    this.say({ type: 'closed', code: await this.#connection.close() });
  }

  /** Claims the keys of an account and builds a session; says whether one-time keys were among them. */
  async claim({ of }) {
    const bundle = await this.#account.request('GET', `/users/${encodeURIComponent(of)}/keys`);
    await this.#store.atomically(() => this.#signal.learn(of, bundle));
    this.say({ type: 'claimed', of, preKey: bundle.devices[0].preKey !== undefined });
  }

  /** Sends texts, each damaged as asked: its `ciphertext`, its `padding`, or the `receiver` that its payload names. */
  async send({ to, texts, damage }) {
    if (!(await this.#signal.knows(to))) {
      await this.claim({ of: to });
    }
    for (const text of texts) {
      const frame = { id: newId(), receiver: to };
      const named = damage === 'receiver' ? { ...frame, receiver: this.#account.address } : frame;
      const payload = encodeText(named, this.#account.address, text);
      const plaintext = damage === 'padding' ? payload : pad(payload);
      const { kind, ciphertext, epoch } = await this.#store.atomically(async () => {
        this.#store.put(`outgoing ${frame.id}`, { receiver: to });
        return this.#signal.encrypt(to, plaintext);
      });
      const content = toBase64(damage === 'ciphertext' ? damageBytes(ciphertext) : ciphertext);
      this.say({ type: 'sending', id: frame.id, kind, epoch });
      this.#connection.send({ ...frame, kind, content });
    }
  }

  /** Damages the next so many ciphertexts that come in. */
  damageNext({ count }) {
    this.#damageNext = count;
  }

  async #take(frame) {
    if (frame.content !== undefined) {
      await this.#receive(frame);
    } else if (frame.state !== undefined) {
      await this.#status(frame);
    } else if (frame.noted !== undefined) {
      frame.noted.messageIds.forEach((id) => this.say({ type: 'noted', id }));
    } else {
      const [type] = ['error', 'hello', 'drained', 'keys'].filter((member) => member in frame);
      this.say({ type, ...frame });
    }
  }

  /** Opens a message once; tells its sender what became of it, for each copy. */
  async #receive(frame) {
    const { id, sender, senderDevice } = frame;
    const triple = `seen ${sender} ${senderDevice} ${id}`;
    const known = this.#store.get(triple);
    const { status, ...opened } = known ? { status: known, type: 'copy' } : await this.#open(frame, triple);
    this.#connection.tell(id, { ...status, receiver: sender, senderDevice });
    if (opened.type === 'message') {
      this.#connection.tell(id, { state: 'read', receiver: sender, senderDevice });
    }
    this.say({ ...opened, id, sender });
  }

  /** Ratchet, message and triple are one commit. What cannot be decrypted leaves nothing but its triple. */
  async #open(frame, triple) {
    try {
      return await this.#store.atomically(async () => {
        const opened = await this.#decrypt(frame);
        this.#store.put(triple, opened.status);
        return opened;
      });
    } catch (error) {
      const status = { state: 'undeliverable', code: 'undecryptable' };
      this.#store.put(triple, status);
      return { type: 'unreadable', status, reason: String(error) };
    }
  }

  async #decrypt(frame) {
    const { sender, senderDevice, kind, content } = frame;
    const sent = fromBase64(content);
    const ciphertext = this.#damageNext > 0 ? damageBytes(sent) : sent;
    this.#damageNext = Math.max(0, this.#damageNext - 1);
    const { plaintext, epoch } = await this.#signal.decrypt(sender, senderDevice, kind, ciphertext);
    try {
      const text = decodeText(plaintext, frame, this.#account.address);
      return { type: 'message', status: { state: 'received' }, text, kind, epoch };
    } catch (error) {
      return { type: 'refused', status: { state: 'undeliverable', code: 'refused' }, reason: String(error) };
    }
  }

  /** States rise, and only a message's receiver tells them. `sent` is told once; the others are acknowledged. */
  async #status({ messageId, messageIds = [messageId], state, sender, code }) {
    const genuine = messageIds.filter((id) => this.#store.get(`outgoing ${id}`)?.receiver === sender);
    for (const id of genuine) {
      const outgoing = this.#store.get(`outgoing ${id}`);
      if (STATES.indexOf(state) > STATES.indexOf(outgoing.state)) {
        this.#store.put(`outgoing ${id}`, { ...outgoing, state });
        this.say({ type: 'status', id, state, sender, code });
      }
    }
    if (state !== 'sent') {
      this.#connection.acknowledge(genuine, state);
    }
    if (code === 'undecryptable') {
      await this.#store.atomically(() => this.#signal.forget(sender));
    }
  }
}
