// Generated from chat/log/events.py by: python -m chat.log.javascript_types > types/events.d.ts

interface SourcePassage {
  number: number;
  document_id: string;
  title: string;
  title_path: string[];
  page: number | null;
  text: string;
  section: number;
  start: number;
  end: number;
}

/** The data of each kind of event. */
interface EventData {
  queued: { position: number };
  started: { model: string; fence: number };
  retrieving: { workspace: string };
  sources: { grounding: string; passages: SourcePassage[]; error?: string };
  thinking: { text: string; takes_back?: boolean };
  delta: { text: string; is_old?: boolean };
  usage: { input_tokens: number; output_tokens: number; is_estimate: boolean; cost: string };
  restarted: { reason: string };
  stopped: Record<string, never>;
  failed: { error: string; retryable: boolean; is_refusal?: boolean };
  finished: { reason: "stop" | "length" | "filtered" };
}

/** The last event of an answer has one of these kinds. */
type TerminalKind = "stopped" | "failed" | "finished";

/** An event as the socket sends it. */
type LoggedEvent = { [Kind in keyof EventData]: { seq: number; kind: Kind; data: EventData[Kind] } }[keyof EventData];
