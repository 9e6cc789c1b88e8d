"""What finished runs show: verdict, hypotheses, statistics. Pure functions of histories."""
