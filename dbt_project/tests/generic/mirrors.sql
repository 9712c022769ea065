{% test mirrors(model, original, key, values, of='true') %}
    {{ mirrors_failures(model, original, key, values, of) }}
{% endtest %}
