/** Something at a provider that a person has to put right; sandboxes go on without it meanwhile. */
export interface ProviderAlert {
  readonly name: 'template.locked';
  readonly message: string;
  /** The exact command. */
  readonly remediation: string;
}

/** Called once for each thing that goes wrong, not for each time it is noticed. */
export type RaiseAlert = (alert: ProviderAlert) => void;
