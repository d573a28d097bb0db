-- Up to when every movement of the transaction log is part of a deposit or withdrawal that was deduced
-- from the wallet, or has a row of its own: what comes and goes before a wallet has stood still leaves
-- no difference to deduce. NULL until a wallet has stood still.
ALTER TABLE trading.settled_wallets ADD COLUMN joined_to timestamptz;
