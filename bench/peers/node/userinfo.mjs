// GET /userinfo by fastify and fast-jwt: the claims of a bearer whose RS256 signature verifies. With `cache`, fast-jwt
// remembers what it verified.
import { readFileSync } from "node:fs";
import { createVerifier } from "fast-jwt";
import fastify from "fastify";

const [port, key, cache] = process.argv.slice(2);
const verify = createVerifier({
  key: readFileSync(key, "utf8"),
  algorithms: ["RS256"],
  allowedIss: "https://bench.eu.auth0.com/",
  allowedAud: "https://api.bench.example",
  cache: cache === "cache" ? 100_000 : false,
});

const app = fastify({ keepAliveTimeout: 75_000 });
app.get("/ready", async () => "");
app.get("/userinfo", async (request, reply) => {
  const [scheme, token] = (request.headers.authorization ?? "").split(" ");
  try {
    if (scheme !== "Bearer") throw new Error("no bearer");
    return verify(token);
  } catch {
    return reply.code(401).send({ error: "invalid_token" });
  }
});
await app.listen({ host: "127.0.0.1", port: Number(port) });
