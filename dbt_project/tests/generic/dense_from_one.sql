{% test dense_from_one(model, column_name) %}
    {{ dense_from_one_failures(model, column_name) }}
{% endtest %}
