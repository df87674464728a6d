// A client that does what it is told, a line of JSON each, and says what happens, a line of JSON each.

import { createInterface } from 'node:readline';

import { Client } from './client.mjs';

const client = new Client((event) => console.log(JSON.stringify(event)));

const COMMANDS = {
  register: (command) => client.register(command),
  connect: (command) => client.connect(command),
  disconnect: () => client.disconnect(),
  claim: (command) => client.claim(command),
  send: (command) => client.send(command),
  damageNext: (command) => client.damageNext(command),
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  await COMMANDS[command.do](command);
}
