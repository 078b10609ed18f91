import { z } from "zod";
import { problemSchema } from "./problem.ts";
import type { Answer, Route } from "./route.ts";

/** The OpenAPI 3.1 document of the routes, from the very schemas by which they check their parameters. */
export function openApiDocument(routes: readonly Route[], serverUrl: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    (paths[openApiPath(route.path)] ??= {})[route.method.toLowerCase()] = operation(route);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Peerage registry",
      version: "1",
      description:
        "Stores signed statements in one append-only log and proves what it says. Check every answer yourself.",
    },
    servers: [{ url: serverUrl }],
    paths,
    components: { schemas: { Problem: schemaOf(problemSchema, "output") } },
  };
}

/** `/v1/agents/:did` → `/v1/agents/{did}`; patterns of Hono are left out. */
function openApiPath(path: string): string {
  return path.replaceAll(/:(\w+)(?:\{[^/]*\})?/g, "{$1}");
}

function operation({ method, path, summary, params = {}, query = {}, body, answers }: Route): object {
  const parameters = [
    ...Object.entries(params).map(([name, schema]) => ({
      name,
      in: "path",
      required: true,
      schema: schemaOf(schema, "input"),
    })),
    ...Object.entries(query).map(([name, schema]) => ({
      name,
      in: "query",
      required: !schema.safeParse(undefined).success,
      schema: schemaOf(schema, "input"),
    })),
  ];
  return {
    operationId: `${method.toLowerCase()}${path.replaceAll(/[^A-Za-z0-9]+(\w)?/g, (_, c: string | undefined) => (c ?? "").toUpperCase())}`,
    summary,
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body ? { requestBody: { required: true, description: body.description, content: { [body.type]: {} } } } : {}),
    responses: {
      ...Object.fromEntries(Object.entries(answers).map(([status, answer]) => [status, response(answer)])),
      default: {
        description: "Problem details with a stable `code`",
        content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
      },
    },
  };
}

function response({ description, content }: Answer): object {
  if (!content) return { description };
  const media = Object.entries(content).map(([type, schema]) => [
    type,
    schema ? { schema: schemaOf(schema, "output") } : {},
  ]);
  return { description, content: Object.fromEntries(media) as object };
}

function schemaOf(schema: z.ZodType, io: "input" | "output"): object {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io, unrepresentable: "any" });
  return json;
}
