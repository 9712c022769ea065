{% test mirrors(model, original, key, values) %}
    {{ mirrors_failures(model, original, key, values) }}
{% endtest %}
