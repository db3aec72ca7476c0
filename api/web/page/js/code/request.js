// What would make a job again: of its receipt, or, as long as it has none, of what the server says of it.
export function requestOf(job) {
  if (job.receipt?.request && !job.receipt.imported) return job.receipt.request;
  const given = (all) => Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null));
  const parameters = given(job.parameters);
  const tails = job.kind === "edit" ? (job.tails?.length ? { tails: job.tails } : { tail_id: job.tail_id }) : {};
  return { prompt: job.prompts || job.prompt, model: job.model, seed: job.seed, ...parameters, ...tails, ...(job.sweep ? { sweep: given(job.sweep) } : {}) };
}

// The receipt of one picture: a sweep's pictures have their own.
export function receiptOf(job, index) {
  const receipt = job.results[index].receipt || job.receipt;
  return receipt?.request ? receipt : { ...receipt, request: requestOf(job) };
}
