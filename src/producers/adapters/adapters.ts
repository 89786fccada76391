/** `cmux-lifecycle/adapters`: cmux's and the roadmap's shapes over any client, Redis or HTTP. */
export {
  type CmuxClient,
  type CmuxInstances,
  type CmuxStartInput,
  createCmuxInstances,
} from './cmux-instances.ts';
export {
  type CmuxInstanceOptions,
  type CmuxSandboxInstance,
  type CmuxStatus,
  cmuxId,
  type HttpService,
  wrapSandbox,
} from './cmux-sandbox-instance.ts';
export {
  type DirectCalls,
  type ExecOptions,
  type ExecResult,
  isUnsupportedCallError,
  UnsupportedCallError,
} from './direct-calls.ts';
export {
  getSandboxProvider,
  type ProviderClient,
  type SandboxConfig,
  type SandboxInstance,
  type SandboxProvider,
  type SandboxStatus,
} from './sandbox-provider.ts';
export { SandboxProviderManager } from './sandbox-provider-manager.ts';
