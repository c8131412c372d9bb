// An OCPP peer on the npm package ocpp-rpc, driven line by line: JSON commands on stdin, JSON reports on stdout.
//   node peer.mjs csms <subprotocol>                    → {"port": n}; serves, strict
//   node peer.mjs station <subprotocol> <url> <name>    → {"open": name}; dials, strict
// {"answers": {action: payload}} sets what calls are answered; {"call": action, "payload": {…}, "ask": n} calls, reported as
// {"ask": n, "payload": {…}} or {"ask": n, "error": code}; a call from the other side is reported as {"heard": action, "payload": {…}}.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import ocpp from 'ocpp-rpc';

const { RPCServer, RPCClient, createRPCError, createValidator } = ocpp;
const [role, protocol, url, name] = process.argv.slice(2);
const tell = (line) => process.stdout.write(JSON.stringify(line) + '\n');
// ocpp-rpc 2.2.1 names its schemas of OCPP 2.1 XRequest and XResponse, but looks for X.req and X.conf.
const schemas = createRequire(import.meta.url)('ocpp-rpc/lib/schemas/ocpp2_1.json').map((schema) => ({
  ...schema, $id: schema.$id.replace(/Request$/, '.req').replace(/Response$/, '.conf'),
}));
const strict = { strictMode: true, strictModeValidators: [createValidator('ocpp2.1', schemas)] };
let answers = {};
let link = null;

const fill = (answer) => JSON.parse(JSON.stringify(answer).replaceAll('"$now"', JSON.stringify(new Date().toISOString())));

function serve(one) {
  link = one;
  one.on('strictValidationFailure', (failure) => tell({ broken: String(failure.error?.message ?? failure) }));
  one.on('badMessage', (failure) => tell({ broken: String(failure.error?.message ?? failure) }));
  one.handle(({ method, params }) => {
    tell({ heard: method, payload: params });
    if (!(method in answers)) throw createRPCError('NotImplemented', method);
    return fill(answers[method]);
  });
}

createInterface({ input: process.stdin }).on('line', async (line) => {
  const asked = JSON.parse(line);
  if (asked.answers) answers = { ...answers, ...asked.answers };
  if (!asked.call) return;
  try {
    tell({ ask: asked.ask, payload: await link.call(asked.call, asked.payload) });
  } catch (error) {
    tell({ ask: asked.ask, error: error.rpcErrorCode ?? error.message });
  }
}).on('close', () => process.exit(0));

if (role === 'csms') {
  const server = new RPCServer({ protocols: [protocol], ...strict });
  server.auth((accept) => accept());
  server.on('client', (client) => { serve(client); tell({ open: client.identity }); });
  const http = await server.listen(0, '127.0.0.1');
  tell({ port: http.address().port });
} else {
  const client = new RPCClient({ endpoint: url, identity: name, protocols: [protocol], ...strict, reconnect: false });
  serve(client);
  await client.connect();
  tell({ open: name });
}
