// The frames of the WebSocket of the chat page. chat/socket/frames.py validates the client frames, under the same
// names; chat/socket/consumers.py sends the server frames.

interface ModelKwargs {
  streaming?: boolean;
  maxTokens?: number;
  temperature?: number;
  topP?: number;
}

interface RunData {
  modelName?: string;
  modelNames?: string[];
  provider?: string;
  sessionId?: string | null;
  workspaceId?: string | null;
  filters?: Filters;
  modelKwargs?: ModelKwargs;
  temporary?: boolean;
  followsId?: string;
  editsId?: string;
  text: string;
  mode?: "chain";
  messageId: string;
}

interface RegenerateData {
  answerId: string;
  messageId: string;
  modelName?: string;
  provider?: string;
  modelKwargs?: ModelKwargs | null;
  continues?: boolean; // go on with the text of the old answer, which was cut
}

interface FollowData {
  answerId: string;
  afterSeq?: number;
}

interface AckData {
  answerId: string;
  seq: number;
}

interface StopData {
  answerId: string;
}

/** The data of each client frame, by its action. */
interface ClientFrameData {
  run: RunData;
  regenerate: RegenerateData;
  follow: FollowData;
  ack: AckData;
  stop: StopData;
}

interface AcceptedAnswer {
  answerId: string;
  model: string;
}

/** The server has recorded a question and its answers. */
interface AcceptedQuestion {
  messageId: string;
  sessionId: string;
  turnId: string;
  parentId: string | null; // the turn before it
  answers: AcceptedAnswer[];
  filterWords?: string;
  replaces?: undefined;
}

/** The server has recorded a request for another version of an answer. */
interface AcceptedVersion {
  messageId: string;
  sessionId: string;
  turnId: string;
  parentId: string | null;
  answers: [AcceptedAnswer];
  filterWords?: string;
  replaces: string; // id of the answer that was regenerated
}

interface AnswerEvents {
  answerId: string;
  events: LoggedEvent[];
}

/** The answer was deleted, with its question or its session. */
interface GoneData {
  answerId: string;
}

interface ErrorData {
  message: string;
  messageId?: string;
}

/** A frame that the server sends. */
type ServerFrame =
  | { action: "accepted"; data: AcceptedQuestion | AcceptedVersion }
  | { action: "event"; data: AnswerEvents }
  | { action: "gone"; data: GoneData }
  | { action: "error"; data: ErrorData };
