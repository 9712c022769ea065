{#- Fails unless every landed row of a feed is staged, typed or else rejected with a reason,
    from the landing that this build is for; see staged_in_full_failures(). A feed that
    landed nothing fails. -#}
{% test staged_in_full(model, feed, landed) %}
{{ config(enabled=feed in feeds()) }}
{{ staged_in_full_failures(
    model, feed, landed, ref('stg_warehouse__build_feeds')
) }}
{% endtest %}
