// An identity provider that we did not write: npm's `oidc-provider`, on a free port, with one client.
// node provider.mjs MODULES CLIENT_ID CLIENT_SECRET REDIRECT_URI HOME: prints its issuer, and ends with its standard input.
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

const [modules, client_id, client_secret, redirect_uri, home] = process.argv.slice(2);
const { Provider } = await import(pathToFileURL(`${modules}/oidc-provider/lib/index.js`));

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{ client_id, client_secret, redirect_uris: [redirect_uri], post_logout_redirect_uris: [home] }],
    cookies: { keys: ['of a test'] },
    // Claims are in the token and not at the userinfo endpoint alone.
    conformIdTokenClaims: false,
    claims: { openid: ['sub', 'org', 'groups'] },
    findAccount: async (_, id) => ({
      accountId: id,
      claims: async () => ({ sub: id, org: 'acme', groups: ['admin', 'dev'] }),
    }),
  });
  server.on('request', provider.callback());
  console.log(issuer);
});
process.stdin.resume().on('end', () => process.exit(0));
