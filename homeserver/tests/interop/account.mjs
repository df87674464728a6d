// An account over REST: registration, tokens, requests.

export class Account {
  #server;
  #accessToken;
  #refreshCookie;

  static async register(server, name, password) {
    const account = new Account();
    account.#server = server;
    const { id } = await account.#logIn('POST', '/users', { name, password });
    const { address } = await account.request('GET', `/users/${id}`);
    return Object.assign(account, { id, name, address });
  }

  /** Logs in again: another session of the same device. */
  async logIn(password) {
    await this.#logIn('POST', '/tokens', { name: this.name, password });
  }

  /** A new access token for the refresh cookie, which is spent. */
  async refresh() {
    const spent = this.#refreshCookie;
    await this.#logIn('PUT', '/tokens', undefined, { cookie: spent });
    if (this.#refreshCookie === spent) {
      throw new Error('a refresh rotates the cookie');
    }
  }

  /** A request with the access token; the answer's data. */
  async request(method, path, body) {
    return (await this.#send(method, path, body, { authorization: `Bearer ${this.#accessToken}` })).data;
  }

  /** Where the WebSocket is, and what opens it. */
  get socket() {
    return { url: this.#server.replace(/^http/, 'ws'), token: this.#accessToken };
  }

  async #logIn(method, path, body, headers) {
    const { data, cookie } = await this.#send(method, path, body, headers);
    this.#accessToken = data.accessToken;
    this.#refreshCookie = cookie.split(';')[0];
    return data;
  }

  async #send(method, path, body, headers) {
    const answer = await fetch(`${this.#server}/api/v1${path}`, {
      method,
      headers: { ...headers, ...(body && { 'content-type': 'application/json' }) },
      body: body && JSON.stringify(body),
    });
    const { data, ...failure } = await answer.json();
    if (!answer.ok) {
      throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(failure)}`);
    }
    return { data, cookie: answer.headers.get('set-cookie') };
  }
}
