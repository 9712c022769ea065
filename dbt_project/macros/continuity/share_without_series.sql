{#- A share's canonical id without the series in which it is traded, where the series is
    one of those between which the exchange moves a share as a whole: EQ (not spelled),
    BE and BZ (trade for trade), SM, ST and SZ (small companies). Rights, bonds and the
    like have other endings and are things of their own. -#}
{% macro share_without_series(canonical_id) -%}
    regexp_replace({{ canonical_id }}, '-(BE|BZ|SM|ST|SZ)$', '')
{%- endmacro %}
