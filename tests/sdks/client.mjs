// A client of MCP's TypeScript SDKs that a test drives: a line of JSON in is a call, a line out its answer or what came.
// node client.mjs '{"sdk": 1 or 2, "mode": "legacy" or "auto", "url": …, "token": …}'
import { createInterface } from 'node:readline'

const { sdk, mode, url, token } = JSON.parse(process.argv[2])
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`)
const plain = (error) => ({ name: error.constructor.name, code: error.code ?? error.status ?? null, message: String(error.message) })

const load = {
  1: async () => {
    const { Client } = await import('@modelcontextprotocol/sdk/client/index.js')
    const { StreamableHTTPClientTransport } = await import('@modelcontextprotocol/sdk/client/streamableHttp.js')
    const types = await import('@modelcontextprotocol/sdk/types.js')
    return { Client, StreamableHTTPClientTransport, updated: types.ResourceUpdatedNotificationSchema }
  },
  2: async () => ({ ...(await import('@modelcontextprotocol/client')), updated: 'notifications/resources/updated' }),
}
const { Client, StreamableHTTPClientTransport, updated } = await load[sdk]()
const client = new Client(
  { name: `typescript ${sdk}`, version: '1' },
  sdk === 2 ? { versionNegotiation: { mode } } : {},
)
client.setNotificationHandler(updated, (notification) => say({ event: 'updated', ...notification.params }))
const transport = new StreamableHTTPClientTransport(new URL(url), {
  requestInit: { headers: token ? { Authorization: `Bearer ${token}` } : {} },
})
const aborts = new Map()

const tool = (id, { name, args, timeout }) => {
  const abort = new AbortController()
  aborts.set(id, abort)
  const options = {
    signal: abort.signal,
    onprogress: (progress) => say({ event: 'progress', id, ...progress }),
    ...(timeout ? { timeout, resetTimeoutOnProgress: true } : {}),
  }
  const params = { name, arguments: args ?? {} }
  return sdk === 2 ? client.callTool(params, options) : client.callTool(params, undefined, options)
}

const does = {
  connect: async () => {
    await client.connect(transport)
    const protocol = sdk === 2 ? client.getNegotiatedProtocolVersion() : transport.protocolVersion
    return { protocol, capabilities: client.getServerCapabilities(), server: client.getServerVersion() }
  },
  tools: () => client.listTools(),
  tool,
  abort: (_, { call, reason }) => aborts.get(call).abort(reason),
  resources: () => client.listResources(),
  templates: () => client.listResourceTemplates(),
  resource: (_, { uri }) => client.readResource({ uri }),
  prompts: () => client.listPrompts(),
  prompt: (_, { name, args }) => client.getPrompt({ name, arguments: args }),
  complete: (_, params) => client.complete(params),
  subscribe: (_, { uri }) => client.subscribeResource({ uri }),
  listen: async (_, { uri }) => {
    await client.listen({ resourceSubscriptions: [uri] })
  },
  close: () => client.close(),
}

for await (const line of createInterface({ input: process.stdin })) {
  const { id, do: what, ...params } = JSON.parse(line)
  // Not awaited: a call may be aborted, or another made, before it has its answer.
  Promise.resolve()
    .then(() => does[what](id, params))
    .then((result) => say({ id, result: result ?? null }), (error) => say({ id, error: plain(error) }))
}
