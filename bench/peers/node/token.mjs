// POST /oauth/token as services of our users do it: express parses the form, undici sends it on.
import express from "express";
import { Pool } from "undici";

const [port, upstream, whose] = process.argv.slice(2);
const tenant = new Pool(upstream, { connections: 1024 });

const app = express();
app.disable("x-powered-by");
app.use(express.urlencoded({ extended: false }));
app.get("/ready", (_, response) => response.end());
app.post("/oauth/token", async (request, response) => {
  const answer = await tenant.request({
    method: "POST",
    path: `/${whose}/oauth/token`,
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams(request.body).toString(),
  });
  response.status(answer.statusCode).json(await answer.body.json());
});
const server = app.listen(Number(port), "127.0.0.1");
server.keepAliveTimeout = 75_000;
