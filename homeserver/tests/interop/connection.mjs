// The WebSocket: frames in their order, the window, and what is acknowledged.

import WebSocket from 'ws';

/** Messages under way that have no state yet. */
const WINDOW = 64;

/** Ids in one frame. */
const IDS = 100;

export class Connection {
  #socket;
  #queue = [];
  #underWay = new Set();
  #owed = new Map();
  #turn = Promise.resolve();

  /** `take` is given each frame, one after the other. `asBrowser` opens as one that cannot set a header. */
  constructor({ url, token }, asBrowser, take) {
    this.#socket = asBrowser
      ? new WebSocket(url, ['missive.v1', `bearer.${token}`])
      : new WebSocket(url, { headers: { authorization: `Bearer ${token}` } });
    this.#socket.on('message', (text) => {
      const frame = JSON.parse(text);
      this.#turn = this.#turn.then(() => take(frame)).then(() => this.#settle(frame));
    });
    this.closed = new Promise((resolve, reject) => {
      this.#socket.on('error', reject);
      this.#socket.on('close', (code) => this.#turn.then(() => resolve(code), reject));
    });
  }

  /** Sends a message when the window has room for it, in order. */
  send(message) {
    this.#queue.push(message);
    this.#pump();
  }

  /** Owes a status of a message to its sender; what is owed is said together, once no more frames wait. */
  tell(id, status) {
    this.#owe(JSON.stringify(status), [id], (messageIds) => ({ messageIds, ...status }));
  }

  /** Owes the acknowledgement of status updates, which are stored. */
  acknowledge(ids, state) {
    this.#owe(state, ids, (messageIds) => ({ statusAck: { messageIds, state } }));
  }

  /** Says what is owed, and goodbye. */
  async close() {
    await this.#turn;
    this.#flush();
    this.#socket.close(1000);
    return this.closed;
  }

  #settle(frame) {
    const settled = frame.state ? (frame.messageIds ?? [frame.messageId]) : [];
    settled.forEach((id) => this.#underWay.delete(id));
    this.#pump();
  }

  #pump() {
    while (this.#queue.length > 0 && this.#underWay.size < WINDOW) {
      const message = this.#queue.shift();
      this.#underWay.add(message.id);
      this.#socket.send(JSON.stringify(message));
    }
  }

  #owe(key, ids, frame) {
    if (this.#owed.size === 0) {
      setImmediate(() => this.#flush());
    }
    const owed = this.#owed.get(key) ?? { frame, ids: [] };
    owed.ids.push(...ids);
    this.#owed.set(key, owed);
  }

  #flush() {
    for (const { frame, ids } of this.#owed.values()) {
      for (let at = 0; at < ids.length; at += IDS) {
        this.#socket.send(JSON.stringify(frame(ids.slice(at, at + IDS))));
      }
    }
    this.#owed.clear();
  }
}
