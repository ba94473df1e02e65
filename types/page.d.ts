// The shapes that the modules of the chat page share, and the global htmx.

// Speech recognition, of which TypeScript's library declares only parts
interface SpeechRecognition {
  continuous: boolean;
  interimResults: boolean;
  onend: (() => void) | null;
  onerror: ((event: { error: string }) => void) | null;
  onresult:
    | ((event: { results: Iterable<ArrayLike<{ transcript: string }> & Iterable<{ transcript: string }>> }) => void)
    | null;
  abort(): void;
  start(): void;
  stop(): void;
}

interface Window {
  SpeechRecognition?: new () => SpeechRecognition;
  webkitSpeechRecognition?: new () => SpeechRecognition;
  htmx: {
    ajax(
      method: string,
      url: string,
      options: { target: Element; swap: string; values?: Record<string, string> },
    ): Promise<void>;
    process(element: Element): void;
  };
}

/** Metadata filters, in the format of documents/fields/filters.py. */
type Filters = Record<string, string[] | Record<string, string | string[]>>;

/** The parameters that the composer shows. Only the page uses `metadata`: whether it shows how passages were found. */
type ComposerParameters = Required<ModelKwargs> & { metadata: boolean };

/** The options that the composer adds to a question. */
interface QuestionOptions {
  workspaceId: string | null;
  filters: Filters;
  modelNames: string[];
  modelKwargs: ComposerParameters;
}

/** An item of the outbox, which the server may not have received yet. */
interface PendingMessage {
  messageId: string; // idempotency key from the page, so that a resend is not a second question
  sessionId: string | null; // null: the question will create the session
  tab: string;
  at: number; // ms since 1970
  modelKwargs: ComposerParameters;
  isTemporary?: boolean; // it is not stored, and the session that it creates is temporary
  isQueued?: boolean; // it waits until the answer before it has ended
  isOrphan?: boolean; // its tab is closed
  sends?: number; // how often this page has sent it
  refusal?: string; // why the server refused it
}

type Question = PendingMessage &
  QuestionOptions & {
    text: string;
    followsId?: string; // the turn before it, as its page shows
    editsId?: string; // the turn that it is another version of
  };

/** A request for another version of an answer. */
type VersionRequest = PendingMessage & {
  answerId: string;
  modelName: string; // "": the model of the old answer
  modelLabel: string;
  continues?: boolean; // go on with the text of the old answer, which was cut
};

/** A message between the tabs of a browser, on the BroadcastChannel. */
type TabMessage = AcceptedVersion | (AcceptedQuestion & { text: string });

/** The global of static/vendor/mermaid.js, in the frame that draws diagrams. */
declare var mermaid: {
  initialize(options: object): void;
  render(id: string, text: string): Promise<{ svg: string }>;
};
