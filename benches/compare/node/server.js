// One reservation: JSON in, one script in Redis, JSON out.
'use strict';

const cluster = require('node:cluster');
const fs = require('node:fs');

const workers = Number(process.env.WORKERS || 1);

if (workers > 1 && cluster.isPrimary) {
  for (let n = 0; n < workers; n += 1) cluster.fork();
  process.on('SIGTERM', () => {
    Object.values(cluster.workers).forEach((worker) => worker.kill('SIGKILL'));
    process.exit(0);
  });
} else {
  serve();
}

function serve() {
  const Redis = require('ioredis');
  const redis = new Redis({ port: Number(process.env.REDIS_PORT), enableAutoPipelining: true });
  redis.defineCommand('reserve', { numberOfKeys: 3, lua: fs.readFileSync(process.env.SCRIPT, 'utf8') });

  const text = { type: 'string', minLength: 1, maxLength: 64 };
  const schema = {
    body: {
      type: 'object',
      required: ['sku', 'buyer', 'key'],
      properties: { sku: text, buyer: text, key: text },
    },
    response: {
      '2xx': {
        type: 'object',
        properties: { id: { type: 'integer' }, buyer: { type: 'string' }, state: { type: 'string' } },
      },
      409: { type: 'object', properties: { code: { type: 'string' } } },
    },
  };

  const app = require('fastify')({ logger: false, keepAliveTimeout: 600000 });
  app.post('/reserve', { schema }, async (request, reply) => {
    const { sku, buyer, key } = request.body;
    const line = await redis.reserve(`stock:${sku}`, `buyers:${sku}`, `orders:${sku}`, buyer, key);
    const [outcome, id] = line.split(' ');
    if (outcome !== 'held' && outcome !== 'repeat') {
      reply.code(409);
      return { code: outcome };
    }
    reply.code(outcome === 'held' ? 201 : 200);
    return { id: Number(id), buyer, state: 'held' };
  });

  redis.once('ready', () => app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' }));
}
