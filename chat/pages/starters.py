"""Three questions with which a new chat can begin."""

from accounts.models import User
from chat.models import AnswerRating
from documents.doors import starter_questions
from workspaces.models import Workspace

COUNT = 3
MAX_CHARACTERS = 140


def starters(user: User, workspace: Workspace) -> list[str]:
    """Return the questions: one whose answer this user has rated well, then those of the workspace's documents.

    The questions of others are private.
    """
    rated = AnswerRating.objects.filter(
        user=user,
        is_good=True,
        answer__turn__workspace=workspace,
        answer__turn__session__temporary_until=None,
    )
    texts = rated.order_by("-updated_at").values_list("answer__turn__text", flat=True)[:COUNT]
    own = [text for text in texts if len(text) <= MAX_CHARACTERS and "\n" not in text][:1]
    return list(dict.fromkeys([*own, *starter_questions(user, workspace, COUNT)]))[:COUNT]
