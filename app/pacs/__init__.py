"""What talks to a PACS. Its libraries are made quiet before anything else of the room is used: they quote what patients are called."""

from app.pacs import quiet as quiet
