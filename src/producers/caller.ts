/** Who asks: a name for the receipts and, for a token of one team, the only team it may see. */
export interface Caller {
  readonly name: string;
  readonly teamId?: string;
}
