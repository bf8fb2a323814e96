// Words and numbers of all of a batch's pages.

const SEVERITIES = ["critical", "high", "medium", "low", "info"];
const SEVERITY_WORDS = ["Critical", "High", "Medium", "Low", "Info"];
const STATUSES = ["bitwise", "within_tolerance", "done", "looked_at", "needs_decision", "blocked", "failed"];
const STATUS_WORDS = {
  bitwise: "Bit for bit",
  within_tolerance: "Within tolerance",
  done: "Not verified",
  looked_at: "Looked at", // or what was asked for, see prepare()
  needs_decision: "Needs a decision",
  blocked: "Blocked",
  failed: "Failed",
};
const DONE = new Set(["bitwise", "within_tolerance", "done", "looked_at"]);
const UNDONE = STATUSES.filter((status) => !DONE.has(status));
// What is looked at first: what waits for the reader, then what went wrong.
const RANK = { needs_decision: 0, failed: 1, blocked: 2, done: 3, looked_at: 4, within_tolerance: 5, bitwise: 6 };
const TFLITE_WORDS = { bitwise: "Bit for bit", within_tolerance: "Within tolerance", converted: "Converted", unverified: "Not compared", failed: "Not made" };
const tfliteWord = (key) => (Object.hasOwn(TFLITE_WORDS, key) ? TFLITE_WORDS[key] : shown(key, 40).replaceAll("_", " "));
const FORMAT_WORDS = {
  graph_def: "GraphDef",
  graph_def_text: "GraphDef text",
  saved_model: "SavedModel",
  saved_model_text: "SavedModel text",
  meta_graph: "MetaGraph",
  meta_graph_text: "MetaGraph text",
  checkpoint: "Checkpoint",
  hub_module: "Hub module",
  keras_h5: "Keras HDF5",
  keras_zip: "Keras zip",
  tflite: "TFLite",
};
const READINESS_WORDS = {
  blocked: "blocked",
  needs_you: "needs you",
  ready_with_changes: "ready with changes",
  ready: "ready",
};
const formatWord = (key) => (Object.hasOwn(FORMAT_WORDS, key) ? FORMAT_WORDS[key] : shown(key, 24));
const asAmount = (value) => (Number.isFinite(value) && value > 0 ? value : 0);

/** Seconds for a reader. */
function duration(seconds) {
  if (seconds < 0.0005) return "0 s";
  if (seconds < 0.0995) return `${Math.round(1000 * seconds)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 59.5) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.round(seconds / 60);
  return `${number(Math.floor(minutes / 60))} h ${minutes % 60} min`;
}

/** A moment as the ledger writes it, to the second. */
const moment = (text) => shown(text, 40).replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|\+00:00)$/, "$1 $2 UTC");
