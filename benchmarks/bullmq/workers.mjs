// `node workers.mjs fill PORT JOBS` adds jobs; `node workers.mjs work PORT WORKERS JOBS` completes as many, each with one
// note of progress in between, and prints one JSON object: jobs done, and when this began and ended (seconds since 1970).
import { Queue, Worker } from "bullmq";

const [task, port, first, second] = process.argv.slice(2);
const connection = { host: "127.0.0.1", port: Number(port), maxRetriesPerRequest: null };
const recipe = JSON.stringify({ depends: Array.from({ length: 40 }, (_, n) => `package-${n}>=1.${n}-1`) });

async function fill(jobs) {
  const queue = new Queue("builds", { connection });
  for (let at = 0; at < jobs; at += 1000) {
    const some = Array.from({ length: Math.min(1000, jobs - at) }, (_, n) => ({
      name: "build",
      data: { pkgbase: `package-${at + n}`, arch: "x86_64", recipe },
    }));
    await queue.addBulk(some);
  }
  await queue.close();
}

async function work(count, jobs) {
  let done = 0;
  const workers = [];
  const finished = new Promise((resolve) => {
    for (let n = 0; n < count; n += 1) {
      const worker = new Worker(
        "builds",
        async (job) => {
          await job.updateProgress({ step: "build", startedAt: new Date().toISOString() });
          return { outcome: "skipped" };
        },
        { connection, concurrency: 1, autorun: false },
      );
      worker.on("completed", () => {
        done += 1;
        if (done >= jobs) resolve();
      });
      workers.push(worker);
    }
  });
  await Promise.all(workers.map((worker) => worker.waitUntilReady()));
  const began = Date.now() / 1000;
  for (const worker of workers) worker.run().catch(() => {});
  await finished;
  const ended = Date.now() / 1000;
  console.log(JSON.stringify({ done, began, ended }));
  process.exit(0);
}

await (task === "fill" ? fill(Number(first)) : work(Number(first), Number(second)));
