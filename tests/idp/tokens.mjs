// Tokens by an implementation that we did not write: npm's `jose`.
// node tokens.mjs MODULES ISSUER AUDIENCE EXPIRY: prints { keys, good: { ALG: token }, bad: { NAME: token } }.
import { pathToFileURL } from 'node:url';

const [modules, issuer, audience, expiry] = process.argv.slice(2);
const jose = await import(pathToFileURL(`${modules}/jose/dist/webapi/index.js`));

const claims = { iss: issuer, aud: audience, sub: 'alice', exp: Number(expiry) };
const payload = new TextEncoder().encode(JSON.stringify(claims));
const sign = (header, key) => new jose.SignJWT(claims).setProtectedHeader(header).sign(key);
const pair = (alg) => jose.generateKeyPair(alg, { extractable: true, ...(alg === 'EdDSA' && { crv: 'Ed25519' }) });

const keys = [], good = {}, bad = {}, pairs = {};
for (const alg of ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'EdDSA']) {
  const made = (pairs[alg] = await pair(alg));
  keys.push({ ...(await jose.exportJWK(made.publicKey)), kid: alg, alg, use: 'sig' });
  good[alg] = await sign({ alg, kid: alg }, made.privateKey);
}

const { publicKey, privateKey } = pairs.RS256;
const attacker = await pair('RS256');
const jwk = await jose.exportJWK(attacker.publicKey);
const pem = await jose.exportSPKI(publicKey);
const bytes = (text) => new TextEncoder().encode(text);

bad['alg none'] = new jose.UnsecuredJWT(claims).encode();
bad['HS256 by the public key as PEM'] = await sign({ alg: 'HS256', kid: 'RS256' }, bytes(pem));
bad['HS256 by the public key as JWK'] = await sign({ alg: 'HS256', kid: 'RS256' }, bytes(JSON.stringify(keys[0])));
bad['a key of its own, as jwk'] = await sign({ alg: 'RS256', jwk }, attacker.privateKey);
bad['a key of its own, as jwk of a known kid'] = await sign({ alg: 'RS256', kid: 'RS256', jwk }, attacker.privateKey);
bad['a key of its own, at jku'] = await sign({ alg: 'RS256', kid: 'evil', jku: 'http://127.0.0.1:1/' }, attacker.privateKey);
bad['a key of its own, at x5u'] = await sign({ alg: 'RS256', x5u: 'http://127.0.0.1:1/' }, attacker.privateKey);
bad['a key of its own, as x5c'] = await sign({ alg: 'RS256', x5c: ['AAAA'] }, attacker.privateKey);
bad['an unknown kid'] = await sign({ alg: 'RS256', kid: 'unknown' }, privateKey);
bad['a kid of another algorithm'] = await sign({ alg: 'RS256', kid: 'RS512' }, privateKey);
bad['an algorithm that the key is not for'] = await sign(
  { alg: 'PS256', kid: 'RS256' },
  await jose.importJWK({ ...(await jose.exportJWK(privateKey)), alg: 'PS256' }, 'PS256'),
);
bad['an algorithm that is not taken'] = await sign({ alg: 'ES512', kid: 'ES384' }, (await pair('ES512')).privateKey);
bad['something critical'] = await new jose.CompactSign(payload)
  .setProtectedHeader({ alg: 'RS256', kid: 'RS256', crit: ['urn:x'], 'urn:x': 1 })
  .sign(privateKey, { crit: { 'urn:x': true } });
const unencoded = await new jose.FlattenedSign(payload)
  .setProtectedHeader({ alg: 'RS256', kid: 'RS256', crit: ['b64'], b64: false })
  .sign(privateKey);
bad['a payload that is not encoded'] = `${unencoded.protected}.${JSON.stringify(claims).replaceAll('.', '')}.${unencoded.signature}`;
bad['a payload that says not to be encoded'] =
  `${unencoded.protected}.${Buffer.from(payload).toString('base64url')}.${unencoded.signature}`;
bad['a token in a token'] = await sign({ alg: 'RS256', kid: 'RS256', cty: 'JWT' }, privateKey);
bad['another type'] = await sign({ alg: 'RS256', kid: 'RS256', typ: 'logout+jwt' }, privateKey);
bad['an encrypted one'] = await new jose.EncryptJWT(claims)
  .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A256GCM', kid: 'RS256' })
  .encrypt((await pair('RSA-OAEP-256')).publicKey);
bad['a list for claims'] = await new jose.CompactSign(bytes(JSON.stringify([claims])))
  .setProtectedHeader({ alg: 'RS256', kid: 'RS256' })
  .sign(privateKey);

console.log(JSON.stringify({ keys: { keys }, good, bad }));
