import { monitorEventLoopDelay } from "node:perf_hooks";

/** One value of a gauge, with the labels that tell it from others. */
export interface Gauge {
  readonly name: string;
  readonly help: string;
  readonly type: "gauge" | "counter";
  readonly values: readonly { readonly labels?: Readonly<Record<string, string>>; readonly value: number }[];
}

/** Upper bounds of the duration histogram, in seconds. */
const BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 15] as const;

interface Durations {
  readonly counts: number[];
  sum: number;
  count: number;
}

/** Counts what a registry does, in the text form of Prometheus. Labels are of our own making, so they are few. */
export class Metrics implements Disposable {
  readonly #requests = new Map<string, number>();
  readonly #durations = new Map<string, Durations>();
  readonly #refused = new Map<string, number>();
  readonly #delay: ReturnType<typeof monitorEventLoopDelay> = monitorEventLoopDelay({ resolution: 20 });

  constructor() {
    this.#delay.enable();
  }

  /** A request was answered. `route` is its pattern, never its address. */
  request(method: string, route: string, status: number, seconds: number): void {
    const key = labelsOf({ method, route, status: String(status) });
    this.#requests.set(key, (this.#requests.get(key) ?? 0) + 1);
    const kind = method === "GET" ? "read" : "write";
    let durations = this.#durations.get(kind);
    if (!durations) this.#durations.set(kind, (durations = { counts: BUCKETS.map(() => 0), sum: 0, count: 0 }));
    durations.sum += seconds;
    durations.count++;
    for (const [i, bound] of BUCKETS.entries())
      if (seconds <= bound) durations.counts[i] = (durations.counts[i] ?? 0) + 1;
  }

  /** A statement was refused. */
  refused(code: string): void {
    this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1);
  }

  /** The exposition, with gauges that are read now. */
  text(gauges: readonly Gauge[]): string {
    const cpu = process.cpuUsage();
    const all: Gauge[] = [
      ...gauges,
      {
        name: "peerage_statements_refused_total",
        help: "Statements that were not logged, by code",
        type: "counter",
        values: [...this.#refused].map(([code, value]) => ({ labels: { code }, value })),
      },
      single("process_resident_memory_bytes", "Memory of the process", process.memoryUsage.rss()),
      single("process_cpu_seconds_total", "Processor time", (cpu.user + cpu.system) / 1e6, "counter"),
      single("process_start_time_seconds", "When the process began", Date.now() / 1_000 - process.uptime()),
      single("nodejs_eventloop_delay_p99_seconds", "Of the time since the last look", this.#delayP99()),
    ];
    return [...this.#http(), ...all.flatMap(linesOf)].join("\n") + "\n";
  }

  #delayP99(): number {
    const nanoseconds = this.#delay.count === 0 ? 0 : this.#delay.percentile(99);
    this.#delay.reset();
    return nanoseconds / 1e9;
  }

  *#http(): Generator<string> {
    yield "# HELP peerage_http_requests_total Requests that were answered";
    yield "# TYPE peerage_http_requests_total counter";
    for (const [labels, value] of this.#requests) yield `peerage_http_requests_total${labels} ${value}`;
    const name = "peerage_http_request_duration_seconds";
    yield `# HELP ${name} Until the answer was ready`;
    yield `# TYPE ${name} histogram`;
    for (const [kind, { counts, sum, count }] of this.#durations) {
      for (const [i, bound] of BUCKETS.entries()) {
        yield `${name}_bucket${labelsOf({ kind, le: String(bound) })} ${counts[i] ?? 0}`;
      }
      yield `${name}_bucket${labelsOf({ kind, le: "+Inf" })} ${count}`;
      yield `${name}_sum${labelsOf({ kind })} ${sum}`;
      yield `${name}_count${labelsOf({ kind })} ${count}`;
    }
  }

  [Symbol.dispose](): void {
    this.#delay.disable();
  }
}

/** A metric with one value. */
export function single(name: string, help: string, value: number, type: Gauge["type"] = "gauge"): Gauge {
  return { name, help, type, values: [{ value }] };
}

function linesOf({ name, help, type, values }: Gauge): string[] {
  return [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    ...values.map(({ labels, value }) => `${name}${labels ? labelsOf(labels) : ""} ${value}`),
  ];
}

function labelsOf(labels: Readonly<Record<string, string>>): string {
  const escaped = (value: string): string =>
    value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
  return `{${Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value)}"`)
    .join(",")}}`;
}
