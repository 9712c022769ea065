with final as (
    {{ published_columns('active_subscriptions', [
        ['instrument_token', 'integer'],
        ['canonical_id', 'text'],
    ]) }}
)

select * from final
