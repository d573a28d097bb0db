-- Limits and actions are the same words here as in trading.risk_state.
ALTER TABLE audit.risk_events
    ADD CHECK (risk_type IN (
        'daily_loss', 'weekly_loss', 'drawdown', 'gross_exposure', 'net_exposure', 'leverage',
        'concentration', 'open_positions', 'orders_per_minute', 'halt', 'flatten')),
    ADD CHECK (action_taken IN ('warn', 'block_entries', 'reduce', 'flatten', 'halt'));
